package gitref

import (
	"fmt"
	"strings"
)

// CheckFormat refuses a repository whose configuration says that its objects or
// references are kept in another way than this package and its neighbours read.
func CheckFormat(config []byte) error {
	for line := range strings.Lines(strings.ToLower(string(config))) {
		key, value, _ := strings.Cut(line, "=")
		value = strings.Trim(value, " \t\r\n\"")
		switch strings.TrimSpace(key) {
		case "objectformat":
			if value != "sha1" {
				return fmt.Errorf("its object ids are %s: only SHA-1 repositories can be read yet", strings.ToUpper(value))
			}
		case "refstorage":
			if value != "files" {
				return fmt.Errorf("its references are stored as %q: run git refs migrate --ref-format=files", value)
			}
		}
	}
	return nil
}
