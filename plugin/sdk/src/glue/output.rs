//! The world of an output.

use std::cell::RefCell;
use std::marker::PhantomData;

use self::bindings::exports::logweir::pipeline::output::{Guest, GuestWriter, Writer, Written};
use super::types::{Batch, CheckReport, Description, Error};
use crate::Output;
use crate::types as plain;

/// Generated from `wit/`.
#[expect(missing_docs, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "output-plugin",
        with: { "logweir:pipeline/types@0.1.0": crate::glue::types },
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

/// An output as the contract has it.
#[derive(Debug)]
pub struct Component<O>(PhantomData<O>);

impl<O: Output + 'static> Guest for Component<O> {
    type Writer = Opened<O>;

    fn describe() -> Description {
        O::describe()
    }
}

/// One writer. Calls never overlap, so it is always free to be borrowed.
#[derive(Debug)]
pub struct Opened<O>(RefCell<O>);

impl<O: Output + 'static> GuestWriter for Opened<O> {
    fn open(config: String, position: Option<String>) -> Result<Writer, Error> {
        let writer = O::open(&config, position.as_deref())?;
        Ok(Writer::new(Self(RefCell::new(writer))))
    }

    fn check(&self) -> Result<CheckReport, Error> {
        Ok(self.0.borrow_mut().check()?)
    }

    fn write(&self, input: Batch) -> Result<Written, Error> {
        Ok(self.0.borrow_mut().write(input)?.into())
    }
}

impl From<plain::Written> for Written {
    fn from(written: plain::Written) -> Self {
        Self {
            rejected: written.rejected,
            position: written.position,
        }
    }
}
