package environment

import "teal"

// chooseSlot returns the slot for one more environment: the one opposite to
// live's if it is free, else live's own if that is, else none.
func chooseSlot(taken map[teal.Slot]bool, live teal.Slot) teal.Slot {
	for _, slot := range []teal.Slot{live.Other(), live.Other().Other()} {
		if !taken[slot] {
			return slot
		}
	}
	return teal.SlotNone
}
