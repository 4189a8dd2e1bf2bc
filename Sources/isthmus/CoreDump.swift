import Glibc

/// What may be written of this process's memory when it crashes: nothing, for keys are in it.
enum CoreDump {
    /// Forbids core files, now and for what is started later. Where the machine gives cores to a program, which is not
    /// bound by that limit, they hold no memory.
    ///
    /// - Source: core(5), sections "Piping core dumps to a program" and "Controlling which mappings are written"
    static func forbid() throws(ProgramError) {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        guard setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
            throw ProgramError("core files cannot be forbidden: \(String(cString: strerror(errno)))")
        }
        // A kernel without this file writes no cores at all.
        let filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC)
        guard filter >= 0 else { return }
        defer { close(filter) }
        guard write(filter, "0", 1) == 1 else {
            throw ProgramError("memory cannot be kept out of core dumps: \(String(cString: strerror(errno)))")
        }
    }
}
