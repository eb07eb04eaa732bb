# What `cmake --install` and CPack ship: the binary and the documents a user of the package looks for.
install(TARGETS pgeist RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pgeist)
set(CPACK_PACKAGE_CONTACT "pgeist developers <dev@pgeist.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Changes a live PostgreSQL table online")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)
include(CPack)
