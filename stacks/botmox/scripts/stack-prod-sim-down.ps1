Set-Location (Join-Path $PSScriptRoot "..")
$gavan = if ($env:GAVAN) { $env:GAVAN } else { "gavan" }
& $gavan down -p prod-sim @args
exit $LASTEXITCODE
