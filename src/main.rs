//! The binary: everything it does is in the library, so that tests can do it too.

/// Offers are trees of small strings: a sixth of the time goes to the system's allocator. Without huge
/// pages, since each thread would keep its own: a hundred megabytes for nothing.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    passerelle::cli::main()
}
