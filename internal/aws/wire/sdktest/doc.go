// Package sdktest holds our answers against the deserializers of aws-sdk-go-v2.
// Invariant: it is tests only, apart from the codecs because compiling the EC2 SDK
// takes longer than all of them.
package sdktest
