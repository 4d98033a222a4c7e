// Command bench-judge wip.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	t := time.Now()
	list := regressions()
	if err := measureDelays(list, 1, 40, 2, func(int) {}); err != nil {
		panic(err)
	}
	for _, g := range list {
		m := (1 - g.split) / g.split
		b := g.asks.bound(m, alpha)
		q0 := g.asks
		q0.tolerance = 0
		fmt.Fprintf(os.Stderr, "%-45s split %.2f bound %7.0f (no tol %7.0f)", g.name, g.split, b, q0.bound(m, alpha))
		for _, name := range judges {
			d := g.results[name]
			r, s := d.mean()
			fmt.Fprintf(os.Stderr, " | %s %6.0f %5.0fs %.2f e%d m%d", name, r, s, r/b, d.early, d.missed)
		}
		fmt.Fprintln(os.Stderr)
	}
	fmt.Fprintln(os.Stderr, time.Since(t), upper(0, 400))
}
