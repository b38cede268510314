// What every test includes: the standard headers and QtTest.
#pragma once
#include "cmake/precompiled.h"

#include <QtTest>
