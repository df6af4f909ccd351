//! Files that two outputs would write for a while: one of the old configuration until it has delivered what waits for
//! it, and another one of the new configuration at once (delivery rule 17).

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Plan;

/// An output of a new plan that would write a file of another output of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    /// The new one.
    pub(super) output: Arc<str>,
    old: Arc<str>,
    file: PathBuf,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, old, file } = self;
        write!(
            f,
            "`{output}` would write {}, which `{old}` writes until it has delivered what waits for it: take `{old}` away \
             first and add `{output}` in a second reload, or restart",
            file.display()
        )
    }
}

/// All conflicts, one for each pair of outputs.
pub(super) fn between(old: &Plan, new: &Plan) -> Vec<Conflict> {
    let mut writers = HashMap::new();
    for output in &old.outputs {
        for file in output.files() {
            writers.insert(file, &output.name);
        }
    }
    let mut conflicts: Vec<Conflict> = Vec::new();
    for output in &new.outputs {
        for file in output.files() {
            let Some(old) = writers.get(&file).filter(|old| **old != &output.name) else {
                continue;
            };
            let known = conflicts
                .iter()
                .any(|conflict| conflict.output == output.name && conflict.old == **old);
            if !known {
                conflicts.push(Conflict {
                    output: Arc::clone(&output.name),
                    old: Arc::clone(old),
                    file,
                });
            }
        }
    }
    conflicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loaded;

    fn plan(outputs: &str) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("logweir.yaml");
        let source = "{ plugin: okta, config: { domain: a.okta.com } }";
        let text = format!("sources: {{ a: {source}, b: {source} }}\noutputs:\n{outputs}");
        std::fs::write(&config, text).unwrap();
        let loaded = Loaded::load(&config);
        loaded
            .unwrap_or_else(|errors| panic!("{}", errors.render(false)))
            .plan
    }

    fn file(name: &str, inputs: &str, path: &str) -> String {
        format!("  {name}: {{ type: file, inputs: [{inputs}], path: '{path}' }}\n")
    }

    #[test]
    fn delivery_17_a_file_has_one_writer_across_a_reload() {
        let old = plan(&file("one", "a, b", "/none/{source}.ndjson"));
        let stays = plan(&file("one", "a, b", "/none/{source}.ndjson"));
        assert_eq!(between(&old, &stays), []);
        let moved = plan(&file("one", "a, b", "/none/all.ndjson"));
        assert_eq!(between(&old, &moved), []);
        let renamed = plan(&file("two", "a, b", "/none/x/../{source}.ndjson"));
        let conflicts = between(&old, &renamed);
        assert_eq!(conflicts.len(), 1);
        let said = conflicts[0].to_string();
        for part in ["`one`", "`two`", "/none/a.ndjson", "second reload"] {
            assert!(said.contains(part), "{said}");
        }
        let other = file("one", "a", "/none/{source}.ndjson") + &file("two", "b", "/none/b.ndjson");
        assert_eq!(
            between(&old, &plan(&other)).len(),
            1,
            "it was the old one's until now"
        );
    }
}
