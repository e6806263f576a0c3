//go:build linux

package nft

import (
	"golang.org/x/sys/unix"

	"github.com/localvpc/localvpc/internal/decide/plan"
	"github.com/localvpc/localvpc/internal/node/kernel/nl"
)

// Read gives the sets, elements, timeouts and chains of the table. Chains have the
// fingerprints of their rules in Seen; a rule that is not ours has an empty one.
func Read(c *nl.Conn, ns plan.Netns) ([]plan.Object, error) {
	sets, err := readSets(c, ns)
	if err != nil {
		return nil, err
	}
	var all []plan.Object
	for _, s := range sets {
		all = append(all, s)
		elements, err := readElements(c, s)
		if err != nil {
			return nil, err
		}
		for _, e := range elements {
			all = append(all, e)
		}
	}
	timeouts, err := readTimeouts(c, ns)
	if err != nil {
		return nil, err
	}
	for _, t := range timeouts {
		all = append(all, t)
	}
	chains, err := readChains(c, ns)
	if err != nil {
		return nil, err
	}
	for _, chain := range chains {
		all = append(all, chain)
	}
	return all, nil
}

func dump(c *nl.Conn, message uint16, head func(w *nl.Buf), again func(), each func(body []byte) error) error {
	var w nl.Buf
	begin(&w, message, 0)
	head(&w)
	return c.Dump(&w, again, func(_ uint16, body []byte) error {
		if len(body) < 4 {
			return nil
		}
		return each(body[4:])
	})
}

func readSets(c *nl.Conn, ns plan.Netns) (sets []plan.Set, err error) {
	err = dump(c, unix.NFT_MSG_GETSET,
		func(w *nl.Buf) { w.Str(unix.NFTA_SET_TABLE, plan.TableName) },
		func() { sets = nil },
		func(body []byte) error {
			if s, ok := parseSet(body, ns); ok {
				sets = append(sets, s)
			}
			return nil
		})
	return sets, err
}

func readElements(c *nl.Conn, s plan.Set) ([]plan.Element, error) {
	var all []element
	err := dump(c, unix.NFT_MSG_GETSETELEM,
		func(w *nl.Buf) {
			w.Str(unix.NFTA_SET_ELEM_LIST_TABLE, plan.TableName)
			w.Str(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		},
		func() { all = nil },
		func(body []byte) error {
			all = append(all, parseElements(body, s)...)
			return nil
		})
	if err != nil {
		return nil, err
	}
	return join(s, all)
}

func readChains(c *nl.Conn, ns plan.Netns) ([]plan.Chain, error) {
	var chains []plan.Chain
	err := dump(c, unix.NFT_MSG_GETCHAIN, func(*nl.Buf) {},
		func() { chains = nil },
		func(body []byte) error {
			if o, ok := parseChain(body, ns); ok {
				chains = append(chains, o)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	prints := map[string][]string{}
	err = dump(c, unix.NFT_MSG_GETRULE,
		func(w *nl.Buf) { w.Str(unix.NFTA_RULE_TABLE, plan.TableName) },
		func() { clear(prints) },
		func(body []byte) error {
			if chain, print, ok := parseRule(body); ok {
				prints[chain] = append(prints[chain], print)
			}
			return nil
		})
	for i := range chains {
		chains[i].Seen = prints[chains[i].Name]
	}
	return chains, err
}
