//! The migrations are part of the program: cargo has to see when one is added.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
