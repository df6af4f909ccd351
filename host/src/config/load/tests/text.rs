//! Files that are missing, empty, no text or no YAML.

use proptest::prelude::*;

use super::*;

#[test]
fn a_missing_file_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let errors = load(&folder).err().unwrap();
    insta::assert_snapshot!(redacted(&folder, &errors.render(false)), @r"
      × there is no logweir.yaml
      help: `logweir connect` makes one; `--config FILE` names another

    1 error
    ");
}

#[test]
fn an_empty_file_says_how_to_go_on() {
    insta::assert_snapshot!(page("# nothing\n"), @r"
      × nothing is configured: there is no source and no output
      help: `logweir connect` asks what is needed and writes it down

    1 error
    ");
    insta::assert_snapshot!(page("hello\n"), @r"
      × expected a map of keys, found text
       ╭─[logweir.yaml:1:1]
     1 │ hello
       · ──┬──
       ·   ╰── here
       ╰────

    1 error in logweir.yaml
    ");
}

#[test]
fn bad_yaml_is_shown_with_line_and_caret() {
    insta::assert_snapshot!(page("sources:\n\tacme: 1\n"), @r"
      × not valid YAML: tabs disallowed within this context (block indentation)
       ╭─[logweir.yaml:2:2]
     1 │ sources:
     2 │     acme: 1
       ·     ▲
       ·     ╰── here
       ╰────
      help: indent with spaces

    1 error in logweir.yaml
    ");
    insta::assert_snapshot!(page("sources:\n  acme: [1, 2\noutputs: {}\n"), @r"
      × not valid YAML: illegal placement of ':' indicator
       ╭─[logweir.yaml:3:8]
     2 │   acme: [1, 2
     3 │ outputs: {}
       ·        ▲
       ·        ╰── here
       ╰────

    1 error in logweir.yaml
    ");
    insta::assert_snapshot!(page("sources: { a: { credentials: { t: ${env:X} } } }\n"), @r#"
      × not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
       ╭─[logweir.yaml:1:36]
     1 │ sources: { a: { credentials: *****${env:X}******
       ·                                    ▲
       ·                                    ╰── here
       ╰────
      help: inside `{ }` a reference must be quoted: "${env:NAME}"

    1 error in logweir.yaml
    "#);
    insta::assert_snapshot!(page("a: 1\n---\nb: 2\n"), @r"
      × not valid YAML: there is more than one document in this file
       ╭─[logweir.yaml:3:1]
     2 │ ---
     3 │ b: 2
       · ▲
       · ╰── here
       ╰────
      help: remove the `---`; more files go into the folder `logweir.d`

    1 error in logweir.yaml
    ");
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let folder = folder(&[]);
    std::fs::write(folder.path().join("logweir.yaml"), b"a: \xff").unwrap();
    let errors = load(&folder).err().unwrap();
    insta::assert_snapshot!(redacted(&folder, &errors.render(false)), @r"
      × logweir.yaml is not UTF-8 text (at byte 3)

    1 error
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in "\\PC*", cut in 0..GOOD.len(), put in "[ \t\n:{}\\[\\],'\"&*!|>%@`#$-]{0,3}") {
        let mut damaged = GOOD.to_owned();
        damaged.replace_range(cut..(cut + 2).min(GOOD.len()), &put);
        for text in [text, damaged] {
            let folder = folder(&[("logweir.yaml", &text)]);
            if let Err(errors) = load(&folder) {
                prop_assert!(!errors.errors().is_empty());
                prop_assert!(errors.render(true).contains("error"));
            }
        }
    }
}
