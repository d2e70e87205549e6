xtask patch refresh packed tiny --quiet
