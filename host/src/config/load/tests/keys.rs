//! Keys that are unknown, twice there, or of another kind: all at once, each at its place.

use super::*;

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    insta::assert_snapshot!(page(&GOOD.replace("credentials", "credentails").replace("inputs", "input")), @r#"
      × unknown key `credentails`
       ╭─[logweir.yaml:7:5]
     6 │       since: [1, 2.5, true]
     7 │     credentails:
       ·     ─────┬─────
       ·          ╰── not a key here
     8 │       api_token: ${env:TOKEN}
       ╰────
      help: did you mean `credentials`?

      × the key `inputs` is missing
        ╭─[logweir.yaml:10:3]
      9 │ outputs:
     10 │   archive: { type: file, input: [acme], path: "logs/{source}.ndjson" }
        ·   ───┬───
        ·      ╰── belongs in here
        ╰────
      help: name the sources whose records it gets: `inputs: [acme]`

      × unknown key `input`
        ╭─[logweir.yaml:10:26]
      9 │ outputs:
     10 │   archive: { type: file, input: [acme], path: "logs/{source}.ndjson" }
        ·                          ──┬──
        ·                            ╰── not a key here
        ╰────
      help: did you mean `inputs`?

    3 errors in logweir.yaml
    "#);
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "the page that it compares with is long"
)]
fn all_errors_of_all_files_come_at_once() {
    let main = "\
sorces: {}
sources:
  Acme:
    plugin: my.wasm
    limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
    network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
  acme:
    config: [1]
outputs:
  archive: { type: flie, inputs: acme }
  screen: { type: console, format: pretty, inputs: [] }
";
    let fragment = "sources:\n  beta: { plugin: { path: p.wasm, sha256: abc } }\nstate: /x\n";
    insta::assert_snapshot!(page_of(&[("logweir.yaml", main), ("logweir.d/beta.yaml", fragment)]), @r"
      × unknown key `sorces`
       ╭─[logweir.yaml:1:1]
     1 │ sorces: {}
       · ───┬──
       ·    ╰── not a key here
     2 │ sources:
       ╰────
      help: did you mean `sources`?

      × `Acme` can't be the name of a source
       ╭─[logweir.yaml:3:3]
     2 │ sources:
     3 │   Acme:
       ·   ──┬─
       ·     ╰── here
     4 │     plugin: my.wasm
       ╰────
      help: a name is made of lower-case letters, digits, `-` and `_`, does not begin with `-` or `_`,
            and has at most 63 characters

      × a plugin in a file is written as `{ path: my.wasm }`
       ╭─[logweir.yaml:4:13]
     3 │   Acme:
     4 │     plugin: my.wasm
       ·             ───┬───
       ·                ╰── here
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ╰────

      × `MB` is not a unit here; the units are B, KiB, MiB, GiB and TiB
       ╭─[logweir.yaml:5:23]
     4 │     plugin: my.wasm
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ·                       ──┬─
       ·                         ╰── here
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ╰────

      × `90` has no unit; write `90s`, `90m`, `90h` or `90d`
       ╭─[logweir.yaml:5:35]
     4 │     plugin: my.wasm
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ·                                   ─┬
       ·                                    ╰── here
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ╰────

      × expected a whole number, found text
       ╭─[logweir.yaml:5:57]
     4 │     plugin: my.wasm
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ·                                                         ──┬─
       ·                                                           ╰── here
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ╰────

      × a proxy is written like `http://proxy.example.com:3128`
       ╭─[logweir.yaml:6:23]
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ·                       ───┬───
       ·                          ╰── here
     7 │   acme:
       ╰────

      × a range of addresses is written like `10.0.0.0/8`, a single one like `10.1.2.3`
       ╭─[logweir.yaml:6:32]
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ·                                ──────┬──────
       ·                                      ╰── here
     7 │   acme:
       ╰────

      × the key `plugin` is missing
       ╭─[logweir.yaml:7:3]
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
     7 │   acme:
       ·   ──┬─
       ·     ╰── belongs in here
     8 │     config: [1]
       ╰────
      help: name what reads it: `logweir plugin list` shows what is built in

      × expected a map of keys, found a list
       ╭─[logweir.yaml:8:5]
     7 │   acme:
     8 │     config: [1]
       ·     ───┬──
       ·        ╰── here
     9 │ outputs:
       ╰────

      × `flie` is not possible here
        ╭─[logweir.yaml:10:20]
      9 │ outputs:
     10 │   archive: { type: flie, inputs: acme }
        ·                    ──┬─
        ·                      ╰── here
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ╰────
      help: did you mean `file`?

      × expected a list, found text
        ╭─[logweir.yaml:10:34]
      9 │ outputs:
     10 │   archive: { type: flie, inputs: acme }
        ·                                  ──┬─
        ·                                    ╰── here
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ╰────

      × `pretty` is not possible here
        ╭─[logweir.yaml:11:36]
     10 │   archive: { type: flie, inputs: acme }
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ·                                    ───┬──
        ·                                       ╰── here
        ╰────
      help: one of: auto, ndjson, line

      × `screen` has no inputs
        ╭─[logweir.yaml:11:44]
     10 │   archive: { type: flie, inputs: acme }
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ·                                            ───┬──
        ·                                               ╰── here
        ╰────
      help: name the sources whose records go here

      × a SHA-256 is 64 hexadecimal digits
       ╭─[logweir.d/beta.yaml:2:43]
     1 │ sources:
     2 │   beta: { plugin: { path: p.wasm, sha256: abc } }
       ·                                           ─┬─
       ·                                            ╰── here
     3 │ state: /x
       ╰────

      × `state` belongs in the main file alone
       ╭─[logweir.d/beta.yaml:3:1]
     2 │   beta: { plugin: { path: p.wasm, sha256: abc } }
     3 │ state: /x
       · ──┬──
       ·   ╰── here
       ╰────
      help: files in `logweir.d` add sources and outputs

    16 errors in 2 files
    ");
}

#[test]
fn a_name_given_twice_is_refused_naming_both_places() {
    let fragment = "sources:\n  acme: { plugin: audit }\n";
    insta::assert_snapshot!(page_of(&[("logweir.yaml", GOOD), ("logweir.d/a.yaml", fragment)]), @r"
      × there are two sources with the name `acme`
       ╭─[logweir.d/a.yaml:2:3]
     1 │ sources:
     2 │   acme: { plugin: audit }
       ·   ──┬─
       ·     ╰── again here
       ╰────

    Advice: 
      ☞ the first one
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: audit
       ╰────

    1 error in logweir.d/a.yaml
    ");
    insta::assert_snapshot!(page(&GOOD.replace("outputs:", "  acme: { plugin: other }\noutputs:")), @r"
      × the key `acme` is given twice
        ╭─[logweir.yaml:9:3]
      8 │       api_token: ${env:TOKEN}
      9 │   acme: { plugin: other }
        ·   ──┬─
        ·     ╰── again here
     10 │ outputs:
        ╰────

    Advice: 
      ☞ first here
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: audit
       ╰────

    1 error in logweir.yaml
    ");
}

#[test]
fn what_does_not_exist_yet_is_refused_with_a_word() {
    let text = GOOD.replace("inputs:", "when: '.a == 1', inputs:") + "transforms: { a: 1 }\n";
    insta::assert_snapshot!(page(&text), @r#"
      × there are no conditions yet; an output takes all records of its inputs
        ╭─[logweir.yaml:10:26]
      9 │ outputs:
     10 │   archive: { type: file, when: '.a == 1', inputs: [acme], path: "logs/{source}.ndjson" }
        ·                          ──┬─
        ·                            ╰── not supported yet
     11 │ transforms: { a: 1 }
        ╰────

      × there are no transforms yet; outputs take records as their sources send them
        ╭─[logweir.yaml:11:1]
     10 │   archive: { type: file, when: '.a == 1', inputs: [acme], path: "logs/{source}.ndjson" }
     11 │ transforms: { a: 1 }
        · ─────┬────
        ·      ╰── not supported yet
        ╰────

    2 errors in logweir.yaml
    "#);
}
