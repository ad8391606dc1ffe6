# SPDX-License-Identifier: MIT
# What joins downhaul with other libraries: headers only, a target each, and only where the other library is found, so
# that downhaul itself depends on none of them.

# Boost.Asio has cancellation slots since 1.77.
set(downhaul_asio_boost 1.77)
if(NOT DOWNHAUL_ASIO)
  return()
endif()
find_file(DOWNHAUL_ASIO_HEADER boost/asio/cancellation_signal.hpp PATHS ${Boost_INCLUDE_DIRS})
mark_as_advanced(DOWNHAUL_ASIO_HEADER)
if(Boost_VERSION VERSION_LESS downhaul_asio_boost OR NOT DOWNHAUL_ASIO_HEADER)
  message(STATUS "downhaul::asio is left out: it needs the headers of Boost.Asio ${downhaul_asio_boost} or newer")
  return()
endif()

add_library(downhaul_asio INTERFACE)
add_library(downhaul::asio ALIAS downhaul_asio)
set_target_properties(downhaul_asio PROPERTIES EXPORT_NAME asio VERIFY_INTERFACE_HEADER_SETS ON)
target_link_libraries(downhaul_asio INTERFACE downhaul Boost::headers)
target_sources(downhaul_asio INTERFACE FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${downhaul_asio_headers})
