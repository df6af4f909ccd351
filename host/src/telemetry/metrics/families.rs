//! Families of metrics: a name, a help text, and samples with a fixed set of labels.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::telemetry::overview::PhaseView;

/// A value as it is counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

/// The labels of a sample.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Where families are written, one after the other.
pub(super) struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Families<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// `name` is without the `_total` that each sample gets.
    pub(super) fn counter<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s, N>, Value)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples)
    }

    pub(super) fn gauge<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'s, N>, Value)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples)
    }

    fn family<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'s, N>, Value)>,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            match N {
                0 => encode(&mut family, kind, value)?,
                _ => encode(&mut family.encode_family(&labels)?, kind, value)?,
            }
        }
        Ok(())
    }
}

fn encode(sample: &mut MetricEncoder<'_>, kind: MetricType, value: Value) -> fmt::Result {
    match (kind, value) {
        (MetricType::Counter, Value::Whole(value)) => {
            sample.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        }
        (MetricType::Counter, Value::Real(value)) => {
            sample.encode_counter::<NoLabelSet, f64, f64>(&value, None)
        }
        (_, Value::Whole(value)) => sample.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX)),
        (_, Value::Real(value)) => sample.encode_gauge(&value),
    }
}

/// One sample without labels.
pub(super) fn single(value: impl Into<Value>) -> [(Labels<'static, 0>, Value); 1] {
    [([], value.into())]
}

/// The same, if the value is known.
pub(super) fn known(
    value: Option<impl Into<Value>>,
) -> impl Iterator<Item = (Labels<'static, 0>, Value)> {
    value.into_iter().map(|value| ([], value.into()))
}

/// One sample for each phase that there is: 1 for the one that it is in.
pub(super) fn phases<'a>(
    label: &'static str,
    name: &'a str,
    phase: &'a PhaseView,
) -> impl Iterator<Item = (Labels<'a, 2>, Value)> {
    PhaseView::NAMES.iter().map(move |known| {
        let is_it = phase.name() == *known;
        ([(label, name), ("phase", known)], is_it.into())
    })
}
