//! `vcp`: the virtual cloud provider.

fn main() -> std::process::ExitCode {
    polyyne_node::entry::main()
}
