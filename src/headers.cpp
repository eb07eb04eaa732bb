// Only carries the precompiled header that all modules share; see CMakeLists.txt.
