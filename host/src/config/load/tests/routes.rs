//! What is read must go somewhere, and to one place only once.

use super::*;

#[test]
fn inputs_must_exist_and_sources_must_be_read() {
    let text = GOOD.replace("inputs: [acme]", "inputs: [acmee, xyz, xyz]");
    insta::assert_snapshot!(page(&text), @r#"
      × no output takes the records of `acme`
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: audit
       ╰────
      help: add `acme` to the `inputs` of an output

      × there is no source `acmee`
        ╭─[logweir.yaml:10:35]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acmee, xyz, xyz], path: "logs/{source}.ndjson" }
        ·                                   ──┬──
        ·                                     ╰── here
        ╰────
      help: did you mean `acme`?

      × there is no source `xyz`
        ╭─[logweir.yaml:10:42]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acmee, xyz, xyz], path: "logs/{source}.ndjson" }
        ·                                          ─┬─
        ·                                           ╰── here
        ╰────
      help: the sources are: acme

      × `xyz` is named twice
        ╭─[logweir.yaml:10:47]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acmee, xyz, xyz], path: "logs/{source}.ndjson" }
        ·                                               ─┬─
        ·                                                ╰── here
        ╰────

    4 errors in logweir.yaml
    "#);
}

#[test]
fn delivery_17_two_outputs_with_one_file_are_refused() {
    let text = GOOD.to_owned()
        + "  other: { type: file, inputs: [acme], path: ./x/../logs/acme.ndjson }\n";
    insta::assert_snapshot!(page(&text), @r#"
      × `archive` and `other` write into one file: logs/acme.ndjson
        ╭─[logweir.yaml:11:40]
     10 │   archive: { type: file, inputs: [acme], path: "logs/{source}.ndjson" }
     11 │   other: { type: file, inputs: [acme], path: ./x/../logs/acme.ndjson }
        ·                                        ──────────────┬──────────────
        ·                                                      ╰── also here
        ╰────

    Advice: 
      ☞ the other one
        ╭─[logweir.yaml:10:42]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acme], path: "logs/{source}.ndjson" }
        ·                                          ──────────────┬─────────────
        ·                                                        ╰── here
     11 │   other: { type: file, inputs: [acme], path: ./x/../logs/acme.ndjson }
        ╰────

    1 error in logweir.yaml
    "#);
    let text = GOOD.to_owned()
        + "  other: { type: file, inputs: [acme], path: .logweir/dead-letter.ndjson }\n";
    assert!(page(&text).contains("can't be delivered"));
}

#[test]
fn something_must_be_read_and_go_somewhere() {
    insta::assert_snapshot!(page("sources: { a: { plugin: audit } }\n"), @r"
      × there is no output: records would go nowhere
      help: the smallest one is `outputs: { screen: { type: console, inputs: [NAME] } }`

    1 error
    ");
    insta::assert_snapshot!(page("outputs: {}\n"), @r"
      × there is no source
      help: `logweir connect` asks what is needed and writes it down

      × there is no output: records would go nowhere
      help: the smallest one is `outputs: { screen: { type: console, inputs: [NAME] } }`

    2 errors
    ");
}
