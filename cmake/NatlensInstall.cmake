# Installation rules: programs, man pages, shell completions and the desktop entry.
include(GNUInstallDirs)
