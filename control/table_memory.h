// Where the name table lies: a jemalloc arena of its own, whose extents come one after the other
// from one region that asks for hugepages. Four dependent misses of a lookup then are not four
// misses of the TLB too, and what the table frees is the table's again, not the heap's.
//
// The region is address space: memory is taken as it is needed, and what is freed is kept for
// the next. Where hugepages are refused (THP "never") it is ordinary pages.
//
// The first touch of a hugepage clears it, and under a hypervisor that has to find it first takes
// milliseconds. So a thread touches what the table has got, and 8 MB more, before it is needed.
//
// Threads:  the returned functions: one thread at a time, as the table's writer is. The first call
//           of tnd_table_memory starts the thread, on the caller's processors.
// Lifetime: the process's.
// Cost:     some 11 ns an allocation; sizes round up to jemalloc's classes, 20 % at most.
#pragma once

#include "route/table.h"

// Bytes of address space: some thirty times what ten million names take.
#define TND_TABLE_MEMORY_MAX (64ULL << 30)

// Returns: the arena; with alloc NULL (the heap, to the table) where there is none: a build without
//          jemalloc, or no address space for the region (RLIMIT_AS, vm.overcommit_memory=2).
struct tnd_table_mem tnd_table_memory(void);
