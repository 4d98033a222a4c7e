package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"teal"
)

// Reporter takes an alert. It must not block. See [Alerts].
type Reporter interface{ Report(teal.Alert) }

const ownerMay = 0o700

// MendFolder makes a folder of the data directory usable: one that its owner may not
// use is given back to them, and what is in the way of one is set aside. One that is
// missing is left to whoever needs it; a link to a folder is an operator's, who has
// put it on another disk.
func MendFolder(alerts Reporter, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir() && info.Mode().Perm()&ownerMay == ownerMay:
		return nil
	case info.IsDir():
		return os.Chmod(path, info.Mode().Perm()|ownerMay)
	case info.Mode()&fs.ModeSymlink != 0:
		if target, err := os.Stat(path); err == nil && target.IsDir() {
			return nil
		}
	}
	return SetAside(alerts, path, "it is not a folder")
}

// SetAside gives a file of the data directory another name, so that a new one can
// take its place, and reports that with the reason.
func SetAside(alerts Reporter, path, why string) error {
	aside := fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	alerts.Report(teal.Alert{
		Code: teal.AlertFileUnreadable, Subject: path,
		Message: fmt.Sprintf("%s could not be used: %s. It was renamed to %s, and the server goes on with a new one.", path, why, aside),
		Remedy:  "Look at what was set aside; delete it, or stop the server and put it back in good order. This alert ends with the next start.",
	})
	return nil
}
