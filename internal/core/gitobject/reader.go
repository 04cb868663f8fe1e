package gitobject

import "fmt"

// Reader looks objects up. It fails with *MissingError, *CorruptError and
// *TooLargeError.
type Reader interface {
	// Read returns an object whose content has been checked against its id.
	Read(id ID) (Object, error)

	// Stat returns kind and size of an object.
	Stat(id ID) (Kind, int64, error)
}

const maxTagDepth = 8

// Peel follows annotated tags from id to what they stand for.
func Peel(r Reader, id ID) (ID, Object, error) {
	for range maxTagDepth {
		o, err := r.Read(id)
		if err != nil || o.Kind != KindTag {
			return id, o, err
		}
		tag, err := ParseTag(id, o.Data)
		if err != nil {
			return id, Object{}, &CorruptError{Object: id.String(), Err: err}
		}
		if id, err = ParseID(tag.Target); err != nil {
			return id, Object{}, err
		}
	}
	return id, Object{}, &CorruptError{Object: id.String(), Err: fmt.Errorf("more than %d tags on top of each other", maxTagDepth)}
}

// ReadCommit returns the commit that id is, or that the tag id stands for.
func ReadCommit(r Reader, id ID) (Commit, error) {
	id, o, err := Peel(r, id)
	if err != nil {
		return Commit{}, err
	}
	if o.Kind != KindCommit {
		return Commit{}, fmt.Errorf("object %s is a %s, not a commit", id, o.Kind)
	}
	commit, err := ParseCommit(id, o.Data)
	if err != nil {
		return Commit{}, &CorruptError{Object: id.String(), Err: err}
	}
	return commit, nil
}

// ReadTag returns an annotated tag, its target peeled to what it stands for; ok
// is false if id is no tag.
func ReadTag(r Reader, id ID) (tag Tag, ok bool, err error) {
	o, err := r.Read(id)
	if err != nil || o.Kind != KindTag {
		return Tag{}, false, err
	}
	tag, err = ParseTag(id, o.Data)
	if err != nil {
		return Tag{}, false, &CorruptError{Object: id.String(), Err: err}
	}
	if target, _, err := Peel(r, id); err == nil {
		tag.Target = target.String()
	}
	return tag, true, nil
}
