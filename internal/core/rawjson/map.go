package rawjson

// Map is a raw JSON object of strings, such as labels. It is read without being
// decoded, since one lookup in it is the usual case.
type Map []byte

// Lookup returns the value of key and whether it is there.
func (m Map) Lookup(key string) (string, bool) {
	var value string
	var found bool
	Members(m, func(name, raw []byte) bool {
		if !Named(name, key) {
			return true
		}
		value, found = Text(raw), true
		return false
	})
	return value, found
}

// All returns every pair in a map of its own.
func (m Map) All() map[string]string {
	out := map[string]string{}
	Members(m, func(name, raw []byte) bool {
		out[Text(name)] = Text(raw)
		return true
	})
	return out
}
