#!/bin/sh
# Says what the data says.
exec cat @PREFIX@/share/greeting
