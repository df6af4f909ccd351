//! The macros that make a component of a type.

/// Makes the crate a source plugin: its component exports the given [`Source`](crate::Source).
///
/// Natively, it only checks that the type is one. Use it once per crate.
#[macro_export]
macro_rules! export_source {
    ($source:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::glue::source::Component<$source>;
            $crate::glue::source::bindings::export!(
                Component with_types_in $crate::glue::source::bindings
            );
        };
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            const fn is_source<S: $crate::Source>() {}
            is_source::<$source>();
        };
    };
}

/// Makes the crate a transform plugin: its component exports the given [`Transform`](crate::Transform).
///
/// Natively, it only checks that the type is one. Use it once per crate.
#[macro_export]
macro_rules! export_transform {
    ($transform:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::glue::transform::Component<$transform>;
            $crate::glue::transform::bindings::export!(
                Component with_types_in $crate::glue::transform::bindings
            );
        };
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            const fn is_transform<T: $crate::Transform>() {}
            is_transform::<$transform>();
        };
    };
}

/// Makes the crate an output plugin: its component exports the given [`Output`](crate::Output).
///
/// Natively, it only checks that the type is one. Use it once per crate.
#[macro_export]
macro_rules! export_output {
    ($output:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::glue::output::Component<$output>;
            $crate::glue::output::bindings::export!(
                Component with_types_in $crate::glue::output::bindings
            );
        };
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            const fn is_output<O: $crate::Output>() {}
            is_output::<$output>();
        };
    };
}
