package py

import (
	"cmp"
	"slices"
)

// CloseMatches are up to three of words that are much like word, the closest
// first: difflib.get_close_matches with a cutoff of 0.8.
func CloseMatches(word string, words []string) []string {
	type scored struct {
		word  string
		ratio float64
	}
	var found []scored
	for _, w := range words {
		if r := ratio([]rune(w), []rune(word)); r >= 0.8 {
			found = append(found, scored{w, r})
		}
	}
	slices.SortFunc(found, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.ratio, a.ratio), cmp.Compare(b.word, a.word))
	})
	var list []string
	for _, f := range found[:min(3, len(found))] {
		list = append(list, f.word)
	}
	return list
}

// ratio says how alike two words are: twice the characters they share, in blocks,
// by the characters they have.
func ratio(a, b []rune) float64 {
	if len(a)+len(b) == 0 {
		return 1
	}
	return 2 * float64(shared(a, b)) / float64(len(a)+len(b))
}

// shared counts the characters of the longest common block and, on both sides of
// it, of those beside it.
func shared(a, b []rune) int {
	bestA, bestB, size := 0, 0, 0
	run := make([]int, len(b)+1) // run[j+1]: the length of the block that ends at a[i], b[j]
	for i := range a {
		next := make([]int, len(b)+1)
		for j := range b {
			if a[i] == b[j] {
				next[j+1] = run[j] + 1
				if next[j+1] > size {
					bestA, bestB, size = i-next[j+1]+1, j-next[j+1]+1, next[j+1]
				}
			}
		}
		run = next
	}
	if size == 0 {
		return 0
	}
	return size + shared(a[:bestA], b[:bestB]) + shared(a[bestA+size:], b[bestB+size:])
}
