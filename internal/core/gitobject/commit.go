package gitobject

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Signature says who did something, and when.
type Signature struct {
	Name, Email string
	When        time.Time
}

// Commit is a commit's metadata.
type Commit struct {
	ID        string
	Tree      string   // id
	Parents   []string // ids
	Author    Signature
	Committer Signature
	Subject   string // first line of Message
	Message   string

	// Signed is the armoured signature over Payload, empty if unsigned.
	Signed  string
	Payload []byte
}

// Tag is an annotated tag's metadata.
type Tag struct {
	ID      string // of the tag object
	Target  string // id of what it stands for
	Name    string
	Tagger  Signature
	Message string

	// Signed is the armoured signature over Payload, empty if unsigned.
	Signed  string
	Payload []byte
}

// header is one line of the head of a commit or tag, continuation lines joined.
type header struct {
	key, value string
	raw        []byte
}

// splitObject cuts a commit or a tag into its headers and its message.
func splitObject(data []byte) (headers []header, message string) {
	for len(data) > 0 && data[0] != '\n' {
		end := bytes.IndexByte(data, '\n')
		for end >= 0 && end+1 < len(data) && data[end+1] == ' ' {
			next := bytes.IndexByte(data[end+1:], '\n')
			if next < 0 {
				end = -1
				break
			}
			end += 1 + next
		}
		if end < 0 {
			end = len(data) - 1
		}
		raw := data[:end+1]
		data = data[end+1:]
		key, value, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ")
		headers = append(headers, header{key, strings.ReplaceAll(value, "\n ", "\n"), raw})
	}
	return headers, strings.TrimPrefix(string(data), "\n")
}

// ParseCommit reads a commit.
func ParseCommit(id ID, data []byte) (Commit, error) {
	headers, message := splitObject(data)
	c := Commit{ID: id.String(), Message: message}
	var payload []byte
	for _, h := range headers {
		switch h.key {
		case "tree":
			c.Tree = h.value
		case "parent":
			c.Parents = append(c.Parents, h.value)
		case "author":
			c.Author = parseSignature(h.value)
		case "committer":
			c.Committer = parseSignature(h.value)
		case "gpgsig", "gpgsig-sha256":
			if h.key == "gpgsig" {
				c.Signed = h.value
			}
			continue // not part of what was signed
		}
		payload = append(payload, h.raw...)
	}
	if _, err := ParseID(c.Tree); err != nil {
		return Commit{}, fmt.Errorf("commit has no tree")
	}
	c.Payload = append(payload, "\n"+message...)
	c.Subject, _, _ = strings.Cut(strings.TrimLeft(message, "\n"), "\n")
	return c, nil
}

// ParseTag reads an annotated tag; its Target is what the tag itself names, which
// may be another tag.
func ParseTag(id ID, data []byte) (Tag, error) {
	headers, message := splitObject(data)
	t := Tag{ID: id.String(), Message: message, Payload: data}
	typed := false
	for _, h := range headers {
		switch h.key {
		case "object":
			t.Target = h.value
		case "type":
			_, typed = parseKind(h.value)
		case "tag":
			t.Name = h.value
		case "tagger":
			t.Tagger = parseSignature(h.value)
		}
	}
	if _, err := ParseID(t.Target); err != nil || !typed {
		return Tag{}, fmt.Errorf("tag points at nothing")
	}
	for _, begin := range []string{"-----BEGIN PGP SIGNATURE-----", "-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----"} {
		if i := strings.LastIndex(message, "\n"+begin); i >= 0 {
			t.Message, t.Signed = message[:i+1], message[i+1:]
			t.Payload = data[:len(data)-len(t.Signed)]
			break
		}
	}
	return t, nil
}

// parseSignature reads "Name <email> 1700000000 +0100". People's tools have
// written all sorts of things there; what cannot be read stays zero.
func parseSignature(s string) Signature {
	open, end := strings.IndexByte(s, '<'), strings.LastIndexByte(s, '>')
	if open < 0 || end < open {
		return Signature{Name: strings.TrimSpace(s)}
	}
	sig := Signature{Name: strings.TrimSpace(s[:open]), Email: s[open+1 : end]}
	seconds, zone, _ := strings.Cut(strings.TrimSpace(s[end+1:]), " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return sig
	}
	sig.When = time.Unix(unix, 0).UTC()
	if n, err := strconv.Atoi(zone); err == nil && len(zone) == 5 && n > -2400 && n < 2400 {
		offset := (n/100)*3600 + (n%100)*60
		sig.When = sig.When.In(time.FixedZone("", offset))
	}
	return sig
}
