use std::os::unix::fs::PermissionsExt;

use super::*;

fn parse(text: &str) -> Result<SecretRef, SecretRefError> {
    SecretRef::parse(text, Path::new("/etc/logweir"))
}

fn secret_in_file(content: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, content).unwrap();
    let resolved = SecretRef::File(path.clone()).resolve();
    resolved
        .map(|secret| secret.expose_secret().to_owned())
        .map_err(|error| error.to_string().replace(path.to_str().unwrap(), "TOKEN"))
}

#[test]
fn references_are_whole_scalars() {
    assert_eq!(parse("${env:TOKEN}"), Ok(SecretRef::Env("TOKEN".into())));
    assert_eq!(
        parse("${file:/run/t}"),
        Ok(SecretRef::File("/run/t".into()))
    );
    assert_eq!(
        parse("${file:t}"),
        Ok(SecretRef::File("/etc/logweir/t".into()))
    );
    assert_eq!(parse("00abc"), Ok(SecretRef::Literal("00abc".into())));
    assert_eq!(parse("$x{y}"), Ok(SecretRef::Literal("$x{y}".into())));
    assert_eq!(parse("SSWS ${env:T}"), Err(SecretRefError::NotWhole));
    assert_eq!(parse("${env:A}${env:B}"), Err(SecretRefError::NotWhole));
    assert_eq!(parse("${env:A"), Err(SecretRefError::NotWhole));
    assert_eq!(parse("${TOKEN}"), Err(SecretRefError::NoScheme));
    assert_eq!(parse("${env:}"), Err(SecretRefError::VariableName));
    assert_eq!(parse("${env:A-B}"), Err(SecretRefError::VariableName));
    assert_eq!(parse("${file:}"), Err(SecretRefError::NoPath));
    let command = SecretRef::Exec {
        argv: vec!["pass".into(), "show".into(), "token".into()],
        folder: "/etc/logweir".into(),
    };
    assert_eq!(parse("${exec:pass show  token }"), Ok(command));
    assert_eq!(parse("${exec: }"), Err(SecretRefError::NoCommand));
    assert_eq!(
        parse("${vault:a}"),
        Err(SecretRefError::UnknownScheme("vault".into()))
    );
    assert_eq!(parse(""), Err(SecretRefError::Empty));
}

#[test]
fn trust_18_an_included_file_names_files_below_its_folder_and_no_commands() {
    let base = Path::new("/etc/logweir");
    let folder = base.join("logweir.d");
    let parse = |text| SecretRef::parse_included(text, base, &folder);
    let below = SecretRef::FileBelow {
        folder: folder.clone(),
        path: folder.join("keys/a"),
    };
    assert_eq!(parse("${file:logweir.d/keys/a}"), Ok(below.clone()));
    assert_eq!(parse("${file:/etc/logweir/logweir.d/keys/a}"), Ok(below));
    for outside in [
        "${file:a}",
        "${file:/etc/shadow}",
        "${file:logweir.d/../a}",
        "${file:logweir.d}",
        "${file:logweir.data/a}",
    ] {
        assert_eq!(parse(outside), Err(SecretRefError::Outside), "{outside}");
    }
    assert_eq!(parse("${exec:id}"), Err(SecretRefError::IncludedExec));
    assert_eq!(parse("${env:A}"), Ok(SecretRef::Env("A".into())));
}

#[test]
fn trust_18_no_link_leads_an_included_file_out_of_its_folder() {
    let base = tempfile::tempdir().unwrap();
    let folder = base.path().join("logweir.d");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(base.path().join("other"), "s3cret").unwrap();
    std::os::unix::fs::symlink("../other", folder.join("link")).unwrap();
    let parse = |text| SecretRef::parse_included(text, base.path(), &folder).unwrap();
    let error = parse("${file:logweir.d/link}").resolve().unwrap_err();
    assert!(matches!(error, SecretError::Outside { .. }), "{error}");
    std::fs::write(folder.join("own"), "s3cret").unwrap();
    let own = parse("${file:logweir.d/own}").resolve().unwrap();
    assert_eq!(own.expose_secret(), "s3cret");
}

#[test]
fn a_key_may_have_many_lines_and_is_something() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "-----BEGIN\nabc\n").unwrap();
    let key = SecretRef::File(path.clone()).resolve_document().unwrap();
    assert_eq!(key.expose_secret(), "-----BEGIN\nabc\n");
    std::fs::write(&path, " \n").unwrap();
    let error = SecretRef::File(path).resolve_document().unwrap_err();
    assert!(error.to_string().ends_with("is empty"), "{error}");
}

#[test]
fn trap_29_a_line_break_is_trimmed_or_refused_with_words() {
    assert_eq!(secret_in_file(b"00abc"), Ok("00abc".into()));
    assert_eq!(secret_in_file(b"00abc\n"), Ok("00abc".into()));
    assert_eq!(secret_in_file(b"00abc\r\n"), Ok("00abc".into()));
    insta::assert_snapshot!(secret_in_file(b"00abc\ndef\n").unwrap_err(), @"the secret in the file TOKEN has a line break in it; a single line is expected, and one line break at its end is ignored");
    insta::assert_snapshot!(secret_in_file(b"00abc\n\n").unwrap_err(), @"the secret in the file TOKEN has a line break in it; a single line is expected, and one line break at its end is ignored");
    insta::assert_snapshot!(secret_in_file(b"00\x1babc").unwrap_err(), @"the secret in the file TOKEN has a control character in it");
    insta::assert_snapshot!(secret_in_file(b"00abc ").unwrap_err(), @"the secret in the file TOKEN begins or ends with a blank or a byte order mark");
    insta::assert_snapshot!(secret_in_file(b"\xef\xbb\xbf00abc").unwrap_err(), @"the secret in the file TOKEN begins or ends with a blank or a byte order mark");
    insta::assert_snapshot!(secret_in_file(b"\n").unwrap_err(), @"the secret in the file TOKEN is empty");
    insta::assert_snapshot!(secret_in_file(b"\xff\xfe0\0").unwrap_err(), @"the secret in the file TOKEN is not UTF-8 text");
    insta::assert_snapshot!(secret_in_file(&[b'a'; 70_000]).unwrap_err(), @"the secret in the file TOKEN is longer than 64 KiB");
}

#[test]
fn what_is_missing_is_named() {
    let unset = SecretRef::Env("LOGWEIR_NO_SUCH_VARIABLE".into());
    insta::assert_snapshot!(unset.resolve().unwrap_err(), @"the environment variable LOGWEIR_NO_SUCH_VARIABLE is not set");
    let missing = SecretRef::File("/nonexistent/token".into());
    insta::assert_snapshot!(missing.resolve().unwrap_err(), @"can't read the secret file /nonexistent/token: No such file or directory (os error 2)");
    assert!(matches!(
        SecretRef::File("/".into()).resolve(),
        Err(SecretError::NotAFile(_))
    ));
    // Set by cargo for every test.
    let set = SecretRef::Env("CARGO_PKG_NAME".into());
    assert_eq!(set.resolve().unwrap().expose_secret(), "logweir");
}

#[test]
fn trap_30_debug_and_errors_never_show_a_secret() {
    let literal = parse("hunter2\u{7}").unwrap();
    let error = literal.resolve().unwrap_err();
    let shown = format!(
        "{literal:?} {literal} {error} {error:?} {:?}",
        literal.warning()
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("Literal(***)"), "{shown}");
}

#[test]
fn the_stamp_changes_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let secret = SecretRef::File(path.clone());
    let missing = secret.stamp();
    std::fs::write(&path, "one").unwrap();
    let first = secret.stamp();
    assert_eq!(first, secret.stamp());
    std::fs::write(&path, "longer").unwrap();
    let longer = secret.stamp();
    let other = folder.path().join("other");
    std::fs::write(&other, "forged").unwrap();
    std::fs::rename(&other, &path).unwrap();
    let renamed = secret.stamp();
    assert_ne!(missing, first);
    assert_ne!(first, longer);
    assert_ne!(longer, renamed);
}

#[test]
fn trust_19_a_file_that_others_may_read_is_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "t").unwrap();
    let secret = SecretRef::File(path.clone());
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    mode(0o640);
    let warning = secret
        .warning()
        .unwrap()
        .replace(path.to_str().unwrap(), "TOKEN");
    insta::assert_snapshot!(warning, @"others may read the secret file TOKEN (mode 0640); `chmod 600 TOKEN` keeps it private");
    mode(0o600);
    assert_eq!(secret.warning(), None);
    assert!(parse("00abc").unwrap().warning().is_some());
    assert_eq!(parse("${env:A}").unwrap().warning(), None);
}
