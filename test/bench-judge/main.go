// Command bench-judge wip.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	list := cells()
	t := time.Now()
	runs := 20
	if err := measure(list, 1, runs, 2, func(int) {}); err != nil {
		panic(err)
	}
	for _, c := range list {
		if c.alarms > 0 {
			fmt.Fprintln(os.Stderr, c.world.rate, c.world.split, c.world.base, c.world.pattern.name, c.alarms, "of", c.runs)
		}
	}
	fmt.Fprintln(os.Stderr, time.Since(t), upper(0, 400))
}
