package render

import "strings"

// ParseImage reads how a Kustomize image is written on one line: "name=new:tag",
// "name:tag" or "name@sha256:…". A port of the registry is no tag.
func ParseImage(text string) KustomizeImage {
	name, replacement, renamed := strings.Cut(text, "=")
	if !renamed {
		replacement = name
	}
	repository, tag, digest := splitImage(replacement)
	img := KustomizeImage{Name: name, NewTag: tag, Digest: digest}
	if !renamed {
		img.Name = repository
		return img
	}
	img.NewName = repository
	return img
}

func splitImage(text string) (repository, tag, digest string) {
	if repository, digest, found := strings.Cut(text, "@"); found {
		return repository, "", digest
	}
	if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "/") {
		return text[:i], text[i+1:], ""
	}
	return text, "", ""
}
