# What `cmake --install` and CPack ship: the program, its manual page and completions, and the documents and examples a user
# of the package looks for.
if(TARGET pgeist)
    install(TARGETS pgeist RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    # The program makes them from its own tables, so that they cannot say anything else than --help.
    set(generated "${PROJECT_BINARY_DIR}/generated")
    add_custom_command(
        OUTPUT "${generated}/pgeist.1" "${generated}/pgeist.bash" "${generated}/_pgeist"
        COMMAND pgeist --print man > "${generated}/pgeist.1"
        COMMAND pgeist --print bash > "${generated}/pgeist.bash"
        COMMAND pgeist --print zsh > "${generated}/_pgeist"
        DEPENDS pgeist VERBATIM)
    add_custom_target(pgeist_manual ALL DEPENDS "${generated}/pgeist.1" "${generated}/pgeist.bash" "${generated}/_pgeist")
    install(FILES "${generated}/pgeist.1" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(FILES "${generated}/pgeist.bash" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME pgeist)
    install(FILES "${generated}/_pgeist" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
endif()
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs examples DESTINATION ${CMAKE_INSTALL_DOCDIR} USE_SOURCE_PERMISSIONS)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pgeist)
set(CPACK_PACKAGE_CONTACT "pgeist developers <dev@pgeist.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Changes a live PostgreSQL table online")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
include(CPack)
