package proto

// The protocols; nil until their codecs stand.
var EC2, Query Protocol
