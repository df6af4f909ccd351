//! The world of a transform.

use std::cell::RefCell;
use std::marker::PhantomData;

use self::bindings::exports::logweir::pipeline::transform::{
    Guest, GuestProcessor, Outcome, PortBatch, Processor,
};
use super::types::{Batch, Description, Error};
use crate::Transform;
use crate::types as plain;

/// Generated from `wit/`.
#[expect(missing_docs, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "transform-plugin",
        with: { "logweir:pipeline/types@0.1.0": crate::glue::types },
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

/// A transform as the contract has it.
#[derive(Debug)]
pub struct Component<T>(PhantomData<T>);

impl<T: Transform + 'static> Guest for Component<T> {
    type Processor = Opened<T>;

    fn describe() -> Description {
        T::describe()
    }
}

/// One processor. Calls never overlap, so it is always free to be borrowed.
#[derive(Debug)]
pub struct Opened<T>(RefCell<T>);

impl<T: Transform + 'static> GuestProcessor for Opened<T> {
    fn open(config: String) -> Result<Processor, Error> {
        Ok(Processor::new(Self(RefCell::new(T::open(&config)?))))
    }

    fn process(&self, input: Batch) -> Result<Outcome, Error> {
        Ok(self.0.borrow_mut().process(input)?.into())
    }
}

impl From<plain::Outcome> for Outcome {
    fn from(outcome: plain::Outcome) -> Self {
        Self {
            batches: outcome.batches.into_iter().map(Into::into).collect(),
            rejected: outcome.rejected,
        }
    }
}

impl From<plain::PortBatch> for PortBatch {
    fn from(out: plain::PortBatch) -> Self {
        Self {
            port: out.port,
            batch: out.batch,
        }
    }
}
