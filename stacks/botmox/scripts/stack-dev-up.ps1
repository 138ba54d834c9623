Set-Location (Join-Path $PSScriptRoot "..")
$gavan = if ($env:GAVAN) { $env:GAVAN } else { "gavan" }
& $gavan up -p dev @args
exit $LASTEXITCODE
