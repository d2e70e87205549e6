xtask patch export packed tiny --format quilt target/exported --quiet
