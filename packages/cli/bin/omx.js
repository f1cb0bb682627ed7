#!/usr/bin/env node
// npm links a command only to a file that exists, and dist is not there yet when the packages are installed.
import '../dist/bin.js';
