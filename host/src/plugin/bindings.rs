//! What `wasmtime` generates from `wit/`. Nothing else lives here.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "logweir:pipeline/source-plugin",
    exports: { default: async },
    require_store_data_send: true,
});
