//! `vcp` as the test suite builds it: with the places where a node can be killed.

fn main() -> std::process::ExitCode {
    polyyne_node::entry::main()
}
