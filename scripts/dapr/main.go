// The daprd of Layermesh: Dapr's own, with the components that the repository uses and no others, which makes
// half the packages to compile. Dapr's package of components is all of them or a panic; so package app is Dapr's
// cmd/daprd/app without that one import, made by scripts/bootstrap/daprd.mjs before each build.
package main

import (
	sqliteNames "github.com/dapr/components-contrib/nameresolution/sqlite"
	envSecrets "github.com/dapr/components-contrib/secretstores/local/env"
	fileSecrets "github.com/dapr/components-contrib/secretstores/local/file"
	redisState "github.com/dapr/components-contrib/state/redis"
	sqliteState "github.com/dapr/components-contrib/state/sqlite"
	"github.com/dapr/dapr/pkg/components/nameresolution"
	"github.com/dapr/dapr/pkg/components/secretstores"
	"github.com/dapr/dapr/pkg/components/state"

	"layermesh/scripts/dapr/app"
)

func main() {
	state.DefaultRegistry.RegisterComponent(sqliteState.NewSQLiteStateStore, "sqlite", "sqlite3")
	state.DefaultRegistry.RegisterComponent(redisState.NewRedisStateStore, "redis")
	nameresolution.DefaultRegistry.RegisterComponent(sqliteNames.NewResolver, "sqlite")
	secretstores.DefaultRegistry.RegisterComponent(envSecrets.NewEnvSecretStore, "local.env")
	secretstores.DefaultRegistry.RegisterComponent(fileSecrets.NewLocalSecretStore, "local.file")
	app.Run()
}
