package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/localvpc/localvpc/internal/front/render"
)

// Quotas is the answer of /_localvpc/quotas.
type Quotas struct {
	Account, Region string
	Quotas          []Quota
}

// Quota is how many of something the account may have in the Region.
type Quota struct {
	Name    string
	Service string // AWS's codes, for the Service Quotas API; Code is empty where it has none
	Code    string `json:",omitempty"`
	Title   string
	Default int // AWS's
	Value   int // in force; -1 is no limit
}

// Words for values that are no number.
const (
	noLimit      = "off"
	defaultLimit = "default"
)

func (q Quota) text() string {
	if q.Value < 0 {
		return noLimit
	}
	return strconv.Itoa(q.Value)
}

func (e *env) quotaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "quota [NAME [VALUE]]", Short: "Show or change how many of something an account may have",
		Long: `Show the quotas of the account in the Region, or one of them, or change it.
VALUE is a number, larger or smaller than now, 'off' for no limit, or 'default'.
NAME is a name or AWS's quota code. What is there already stays.

AWS tools see and raise the same quotas with the Service Quotas API:
  aws service-quotas request-service-quota-increase \
    --service-code vpc --quota-code L-F678F1CE --desired-value 6`,
		Example: `  localvpc quota
  localvpc quota vpcs-per-region
  localvpc quota vpcs-per-region 20
  localvpc quota elastic-ips off
  localvpc quota L-F678F1CE default --region eu-west-1`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := e.quotas(cmd)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if e.json {
					return e.printJSON(all)
				}
				e.quotaTable(all.Quotas)
				return nil
			}
			i := slices.IndexFunc(all.Quotas, func(q Quota) bool { return args[0] == q.Name || args[0] == q.Code })
			if i < 0 {
				return fmt.Errorf("there is no quota %q: 'localvpc quota' lists them", args[0])
			}
			q := all.Quotas[i]
			if len(args) == 2 {
				value, err := limit(args[1])
				if err != nil {
					return usage(cmd, err)
				}
				in := map[string]any{"Account": all.Account, "Region": all.Region, "Name": q.Name, "Value": value}
				if err := e.control(cmd.Context(), "POST", "quotas/set", in, &q); err != nil {
					return err
				}
			}
			if e.json {
				return e.printJSON(q)
			}
			_, err = fmt.Fprintln(e.out, q.text())
			return err
		},
	}
}

// quotas asks for those of the account and Region that the user works in.
func (e *env) quotas(cmd *cobra.Command) (Quotas, error) {
	query := url.Values{"region": {e.regionName()}}
	if account := e.accountID(); account != "" {
		query.Set("account", account)
	}
	var all Quotas
	err := e.control(cmd.Context(), "GET", "quotas?"+query.Encode(), nil, &all)
	return all, err
}

// limit reads a value; nil is the default.
func limit(text string) (*int, error) {
	switch text {
	case noLimit:
		return new(-1), nil
	case defaultLimit:
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q is neither a number from 0 on nor '%s' or '%s'", text, noLimit, defaultLimit)
	}
	return new(int(n)), nil
}

func (e *env) quotaTable(list []Quota) {
	rows := [][]string{{"NAME", "VALUE", "DEFAULT", "CODE", "AWS'S NAME"}}
	for _, q := range list {
		code := "-"
		if q.Code != "" {
			code = q.Service + "/" + q.Code
		}
		rows = append(rows, []string{q.Name, q.text(), strconv.Itoa(q.Default), code, q.Title})
	}
	render.Table(e.out, e.style, rows)
}
