package render

import (
	"fmt"
	"regexp"
	"strings"
)

// globLimit bounds the length of a pattern in bytes.
const globLimit = 4096

// glob compiles a pattern for whole slash-separated paths. "*" matches any text,
// also across "/", "?" one character, "[a-c]" and "[!a-c]" one of a class,
// "{a,b}" either alternative; "\" takes the next character literally.
func glob(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > globLimit {
		return nil, fmt.Errorf("pattern has %d bytes, more than the limit of %d", len(pattern), globLimit)
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		case '{':
			depth++
			b.WriteString(`(?:`)
		case '}':
			if depth == 0 {
				return nil, fmt.Errorf("pattern %q has a } without {", pattern)
			}
			depth--
			b.WriteString(`)`)
		case ',':
			if depth > 0 {
				b.WriteString(`|`)
			} else {
				b.WriteString(`,`)
			}
		case '[':
			end := strings.IndexByte(pattern[i+1:], ']')
			if end <= 0 {
				return nil, fmt.Errorf("pattern %q has a [ without ]", pattern)
			}
			b.WriteString(class(pattern[i+1 : i+1+end]))
			i += end + 1
		case '\\':
			i++
			if i == len(pattern) {
				return nil, fmt.Errorf("pattern %q ends in a backslash", pattern)
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			end := i + 1
			for end < len(pattern) && !strings.ContainsRune(`*?{},[\`, rune(pattern[end])) {
				end++
			}
			b.WriteString(regexp.QuoteMeta(pattern[i:end]))
			i = end - 1
		}
	}
	if depth > 0 {
		return nil, fmt.Errorf("pattern %q has a { without }", pattern)
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("pattern %q is not understood", pattern)
	}
	return re, nil
}

func class(body string) string {
	negated := ""
	if body[0] == '!' || body[0] == '^' {
		negated, body = "^", body[1:]
	}
	quoted := strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(body)
	return "[" + negated + quoted + "]"
}
