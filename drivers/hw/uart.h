/* SPDX-License-Identifier: MIT */
/* The 16550 UART's registers, from its first port on. */
#ifndef DRIVERS_HW_UART_H
#define DRIVERS_HW_UART_H

#include "hv/base/types.h"

enum uart_register {
	UART_DATA = 0, /* and the divisor's low byte while UART_LCR_DIVISOR is set */
	UART_IER = 1,
	UART_IIR = 2,
	UART_FCR = 2, /* written */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_MSR = 6,
	UART_SCRATCH = 7,
};

#define UART_IER_RECEIVE BIT(0)
#define UART_IER_TRANSMIT BIT(1)
#define UART_IER_LINE BIT(2)
#define UART_IIR_NONE 0x01
#define UART_IIR_TRANSMIT 0x02
#define UART_IIR_RECEIVE 0x04
#define UART_IIR_LINE 0x06
#define UART_IIR_FIFOS 0xc0
#define UART_FCR_ENABLE BIT(0)
#define UART_FCR_CLEAR_RECEIVE BIT(1)
#define UART_FCR_CLEAR_TRANSMIT BIT(2)
#define UART_LCR_8_BITS 0x03
#define UART_LCR_DIVISOR BIT(7)
#define UART_MCR_DTR BIT(0)
#define UART_MCR_RTS BIT(1)
#define UART_MCR_OUT2 BIT(3) /* gates the interrupt line */
#define UART_MCR_LOOPBACK BIT(4)
#define UART_LSR_DATA BIT(0)
#define UART_LSR_OVERRUN BIT(1)
#define UART_LSR_THR_EMPTY BIT(5)
#define UART_LSR_IDLE BIT(6)
#define UART_MSR_READY 0xb0 /* carrier, data set and clear-to-send are up */

#endif
