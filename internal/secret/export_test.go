package secret

// Nodes returns how many states a mask has.
func Nodes(m *Mask) int { return len(m.nodes) }

// Root returns the folder that has all folders.
func Root(f Folders) string { return f.root }

// Die is what becomes of folders when their server is killed.
func Die(f Folders) { _ = f.lock.Close() }
