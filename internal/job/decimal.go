package job

import (
	"strconv"
	"strings"
)

// Fixed gives a number with at most so many decimals in units of its last
// place: 20.5 with two decimals is 2050. ok is false when it has more decimals.
// It reads the shortest decimal that is this number, which is what the caller
// wrote, so that nothing is rounded.
func Fixed(f float64, decimals int) (units int64, ok bool) {
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
	if len(fraction) > decimals {
		return 0, false
	}
	units, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	return units, err == nil
}

// decimal spells hundredths as a number without needless zeros.
func decimal(hundredths int64) string {
	return strconv.FormatFloat(float64(hundredths)/100, 'f', -1, 64)
}
