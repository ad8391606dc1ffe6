# SPDX-License-Identifier: MIT
# What `cmake --install` puts where, so that find_package(downhaul 0.1) works from another project.
include(CMakePackageConfigHelpers)

set(downhaul_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/downhaul)

install(TARGETS downhaul EXPORT downhaul-targets FILE_SET HEADERS)
install(EXPORT downhaul-targets NAMESPACE downhaul:: DESTINATION ${downhaul_package_dir})
# By themselves: they are only looked at where Boost.Asio is found.
if(TARGET downhaul_asio)
  install(TARGETS downhaul_asio EXPORT downhaul-asio-targets FILE_SET HEADERS)
  install(EXPORT downhaul-asio-targets NAMESPACE downhaul:: DESTINATION ${downhaul_package_dir})
endif()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/downhaul-config.cmake.in
  ${PROJECT_BINARY_DIR}/downhaul-config.cmake
  INSTALL_DESTINATION ${downhaul_package_dir}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor release may change the interface, hence not SameMajorVersion.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/downhaul-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/downhaul-config.cmake
  ${PROJECT_BINARY_DIR}/downhaul-config-version.cmake
  DESTINATION ${downhaul_package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
