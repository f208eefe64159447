// Package cases runs the cases of one client, each a function, and prints a line of JSON for each: what
// `npm run check:clients` reads. The environment says where the server is; the arguments say which cases, all but the slow
// ones where there are none.
package cases

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

const Question = "Why is the sky blue?"

var (
	URL   = os.Getenv("LAYERMESH_URL")
	Model = os.Getenv("LAYERMESH_MODEL")
	Key   = os.Getenv("LAYERMESH_API_KEY")
	// LimitedKey has few requests a minute, OtherKey is one of another model.
	LimitedKey = os.Getenv("LAYERMESH_LIMITED_KEY")
	OtherKey   = os.Getenv("LAYERMESH_OTHER_KEY")
)

var Weather = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"city": map[string]any{"type": "string", "maxLength": 20},
		"days": map[string]any{"type": "integer", "minimum": 1, "maximum": 9},
	},
	"required":             []string{"city", "days"},
	"additionalProperties": false,
}

var Person = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"name": map[string]any{"type": "string", "maxLength": 20},
		"age":  map[string]any{"type": "integer", "minimum": 0, "maximum": 150},
	},
	"required":             []string{"name", "age"},
	"additionalProperties": false,
}

// Skip is why a case could not be tried.
type Skip struct{ Reason string }

func (s Skip) Error() string { return s.Reason }

// UnlessRefused makes a Skip of an error that says that the server does not take what was asked for.
func UnlessRefused(err error) error {
	if err == nil {
		return nil
	}
	told := err.Error()
	var body interface{ RawJSON() string }
	if errors.As(err, &body) {
		told += body.RawJSON()
	}
	if strings.Contains(told, "unsupported_parameter") {
		return Skip{"the server refuses it"}
	}
	return err
}

// Case is one thing that has to hold; Slow wants a server whose steps take 20 seconds.
type Case struct {
	Name string
	Slow bool
	Run  func() error
}

// Check is an error where something does not hold.
func Check(holds bool, what ...any) error {
	if holds {
		return nil
	}
	return errors.New(fmt.Sprint(what...))
}

// HasKeys says whether a JSON object has exactly these.
func HasKeys(text string, keys ...string) error {
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return fmt.Errorf("%w in %q", err, text)
	}
	for _, key := range keys {
		if _, there := value[key]; !there {
			return fmt.Errorf("no %s in %s", key, text)
		}
	}
	return Check(len(value) == len(keys), text)
}

// UntilLimited calls until the key has used up its requests, and returns the error that says so.
func UntilLimited(call func() error) error {
	for range 30 {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// Run runs the cases that the arguments name, of a client that is this module.
func Run(module string, all []Case) {
	print(map[string]any{"client": module, "version": versionOf(module)})
	for _, each := range all {
		if len(os.Args) > 1 && slices.Contains(os.Args[1:], each.Name) || len(os.Args) == 1 && !each.Slow {
			outcome, detail := "passed", ""
			if err := each.Run(); err != nil {
				outcome, detail = "failed", err.Error()
				if errors.As(err, new(Skip)) {
					outcome = "skipped"
				}
			}
			print(map[string]any{"case": each.Name, "outcome": outcome, "detail": detail})
		}
	}
}

func print(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func versionOf(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, each := range info.Deps {
		if each.Path == module {
			return each.Version
		}
	}
	return "unknown"
}
