// Package process starts, limits, supervises and stops operating-system
// processes: the instances of functions and services.
//
// Three things hold for every process that a Runner starts:
//
//   - It is stopped as a whole, and has its grace as a whole. Each process leads
//     its own process group, and on Linux with a usable cgroup its own cgroup;
//     whatever it started goes with it. What leaves the group with setsid is known
//     by its cgroup, and on Linux without one by a mark that the kernel hands down,
//     see mark.
//   - It does not outlive the server, not even one that was killed with
//     SIGKILL: the kernel kills the process when the server dies (Linux), and
//     the guard, a small helper process, kills its group, its cgroup and what
//     bears its mark.
//   - What it prints costs bounded memory. A process that prints faster than
//     its output is consumed waits in its own write call.
//
// What else the server executes, it starts with [Command]: it is nobody's process.
//
// Memory is limited by what the machine offers: cgroup v2, cgroup v1, a coarse
// resource limit, or nothing; [Runner.MemoryLimit] says which, and why.
package process
