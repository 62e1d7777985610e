//! What the compiler checks about the types that packets and polling rest on. Nothing here exists at run time.

use crate::{Eal, Lcore, Mbuf, Mempool, Port, RingReceiver, RingSender, RxQueue, TxQueue};

const fn send<T: Send>() {}
const fn send_and_sync<T: Send + Sync>() {}

const _: () = {
    send::<Mbuf>();
    send::<RxQueue>();
    send::<TxQueue>();
    send::<RingReceiver>();
    send_and_sync::<Eal>();
    send_and_sync::<Mempool>();
    send_and_sync::<Port>();
    send_and_sync::<RingSender>();
};

/// Fails to compile where `$type` implements `$trait`: then two implementations of `Unless` fit and neither is chosen.
macro_rules! must_not_be {
    ($type:ty: $trait:path) => {
        const _: fn() = || {
            trait Unless<Marker> {
                fn check() {}
            }
            struct Implemented;
            impl<T: ?Sized> Unless<()> for T {}
            impl<T: ?Sized + $trait> Unless<Implemented> for T {}
            let _ = <$type as Unless<_>>::check;
        };
    };
}

must_not_be!(Mbuf: Sync); // drivers write to a buffer without atomics
must_not_be!(Mbuf: Clone); // a second owner would be a double free
must_not_be!(RxQueue: Sync);
must_not_be!(RxQueue: Clone); // two threads could poll one queue
must_not_be!(TxQueue: Sync);
must_not_be!(TxQueue: Clone);
must_not_be!(RingReceiver: Clone); // the ring is made for one receiver
must_not_be!(Lcore: Send); // it unregisters the thread it is dropped on
must_not_be!(Lcore: Sync);
