# Installation rules: programs, man pages, shell completions and the desktop entry.
include(GNUInstallDirs)

# Programs that this configuration builds; a man page belongs to its program.
set(packaging "${CMAKE_SOURCE_DIR}/resources/packaging")
foreach(program natlens natlens-gui natlens-probe)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
    install(FILES "${packaging}/${program}.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
  endif()
endforeach()

install(FILES "${packaging}/natlens.bash" RENAME natlens
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
install(FILES "${packaging}/_natlens" DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
install(FILES "${packaging}/natlens.fish" DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")

if(TARGET natlens-gui)
  install(FILES "${packaging}/natlens.desktop" DESTINATION "${CMAKE_INSTALL_DATADIR}/applications")
  if(EXISTS "${CMAKE_SOURCE_DIR}/resources/icons/natlens.svg")
    install(FILES "${CMAKE_SOURCE_DIR}/resources/icons/natlens.svg"
            DESTINATION "${CMAKE_INSTALL_DATADIR}/icons/hicolor/scalable/apps")
  endif()
endif()
