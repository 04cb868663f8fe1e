package render

import "strings"

// Expand replaces $NAME and ${NAME} in text by what value returns for the name, and
// $$ by a dollar. What is no name, such as "$5" or "${a:-b}", stays as it is. Values
// are not expanded again.
func Expand(text string, value func(name string) string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, rest := variable(after)
		switch {
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			rest = after[1:]
		case name == "":
			b.WriteByte('$')
		default:
			b.WriteString(value(name))
		}
		text = rest
	}
}

// variable cuts the name of a variable, in braces or not, from the front of text.
func variable(text string) (name, rest string) {
	if inner, braced := strings.CutPrefix(text, "{"); braced {
		name, rest, closed := strings.Cut(inner, "}")
		if !closed || name == "" || wordEnd(name) != len(name) {
			return "", text
		}
		return name, rest
	}
	end := wordEnd(text)
	return text[:end], text[end:]
}

// wordEnd returns how much of text is a name: letters, digits and underscores, of
// which the first is no digit.
func wordEnd(text string) int {
	for i := range len(text) {
		c := text[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(text)
}
