/* The numbers of a worker that its parent watches, in memory that both see. */
#ifndef FASTCONV_BOARD_H
#define FASTCONV_BOARD_H

enum { FC_BOARD_SHARD, FC_BOARD_ROW, FC_BOARD_RECORDS, FC_BOARD_BYTES, FC_BOARD_STATE,
       FC_BOARD_SLOTS = 8 };
#endif
