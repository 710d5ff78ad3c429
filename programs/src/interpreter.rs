//! The embedded Python: RustPython's core with the dialect library frozen into it.
//!
//! Built without `host_env` and without a standard library: there are no modules for files, sockets or processes. Hashes
//! are seeded with a constant, so that compiling is deterministic.

use std::cell::RefCell;
use std::rc::Rc;

use rustpython_vm::builtins::PyStrRef;
use rustpython_vm::{Interpreter, PyResult, Settings, VirtualMachine, py_freeze};

use crate::child::Job;

/// Calls the library; the names it uses are set by [`run`].
const START: &str = "\
import sys
sys.setrecursionlimit(recursion_limit)
from Compiler.main import compile_job
error = compile_job(source, filename, name, args, settings, write, modules)
";

/// Python functions may nest this deeply; the thread's stack suffices for it.
const RECURSION_MAX: usize = 900;

/// Runs a job: the record, or what is wrong with the program.
pub fn run(job: &Job) -> Result<String, String> {
    let mut settings = Settings::default();
    settings.isolated = true;
    settings.ignore_environment = true;
    settings.import_site = false;
    settings.user_site_directory = false;
    settings.install_signal_handlers = false;
    settings.write_bytecode = false;
    settings.hash_seed = Some(0);
    settings.utf8_mode = 1;
    let interpreter = Interpreter::builder(settings).add_frozen_modules(py_freeze!(dir = "../dialect")).build();
    let record = Rc::new(RefCell::new(String::new()));
    let outcome = interpreter.enter(|vm| {
        let result = call(vm, job, &record);
        result.map_err(|exception| {
            let mut text = String::new();
            match vm.write_exception(&mut text, &exception) {
                Ok(()) => text,
                Err(_) => "the interpreter failed".to_owned(),
            }
        })
    });
    match outcome {
        Ok(None) => Ok(std::mem::take(&mut *record.borrow_mut())),
        Ok(Some(error)) => Err(error),
        Err(fault) => Err(format!("the compiler failed on this program:\n{fault}")),
    }
}

fn call(vm: &VirtualMachine, job: &Job, record: &Rc<RefCell<String>>) -> PyResult<Option<String>> {
    let scope = vm.new_scope_with_builtins();
    let text = |text: &str| vm.ctx.new_str(text).into();
    let set = |name: &str, value| scope.globals.set_item(name, value, vm);
    set("source", text(&job.source))?;
    set("filename", text(&job.file))?;
    set("name", text(&job.name))?;
    set("args", text(&job.args.join("\0")))?;
    set("modules", text(&job.modules.join("\0")))?;
    set("settings", text(&job.settings.join("\0")))?;
    set("recursion_limit", vm.ctx.new_int(RECURSION_MAX).into())?;
    let record = record.clone();
    let write = vm.new_function("write", move |piece: PyStrRef| {
        record.borrow_mut().push_str(&piece.to_string_lossy());
    });
    set("write", write.into())?;
    vm.run_string(scope.clone(), START, "<compiler>".to_owned())?;
    let error = scope.globals.get_item("error", vm)?;
    if vm.is_none(&error) {
        return Ok(None);
    }
    Ok(Some(error.str(vm)?.to_string_lossy().into_owned()))
}
