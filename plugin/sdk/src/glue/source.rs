//! The world of a source, and with the feature `adapter` that of a source that wraps another one.
//!
//! The wider world does not serve both: a component that exports an interface imports it too where its world says so,
//! used or not.

use std::cell::RefCell;
use std::marker::PhantomData;

use self::bindings::exports::logweir::pipeline::source::{Guest, GuestReader, Reader};
use super::types::{CheckReport, Description, Error, Page, Start};
use crate::Source;

/// Generated from `wit/`.
#[expect(missing_docs, reason = "generated")]
pub mod bindings {
    #[cfg(not(feature = "adapter"))]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "source-plugin",
        with: { "logweir:pipeline/types@0.1.0": crate::glue::types },
        pub_export_macro: true,
        export_macro_name: "export",
    });
    #[cfg(feature = "adapter")]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "source-adapter",
        with: { "logweir:pipeline/types@0.1.0": crate::glue::types },
        pub_export_macro: true,
        export_macro_name: "export",
    });
}

/// A source as the contract has it.
#[derive(Debug)]
pub struct Component<S>(PhantomData<S>);

impl<S: Source + 'static> Guest for Component<S> {
    type Reader = Opened<S>;

    fn describe() -> Description {
        S::describe()
    }
}

/// One reader. Calls never overlap, so it is always free to be borrowed.
#[derive(Debug)]
pub struct Opened<S>(RefCell<S>);

impl<S: Source + 'static> GuestReader for Opened<S> {
    fn open(config: String, start: Start) -> Result<Reader, Error> {
        let reader = S::open(&config, start)?;
        Ok(Reader::new(Self(RefCell::new(reader))))
    }

    fn check(&self) -> Result<CheckReport, Error> {
        Ok(self.0.borrow_mut().check()?)
    }

    fn read(&self) -> Result<Page, Error> {
        Ok(self.0.borrow_mut().read()?.into())
    }
}
